"""The platform kit every service stands on. It knows no service; services meet only through `shared.events`."""
