"""The example vendor, Northwind Instruments: its program, and a made-up year of partners, deals and touchpoints."""
