"""One adapter per way a CRM speaks: each proves who sent a body, and says which snapshot it carries."""
