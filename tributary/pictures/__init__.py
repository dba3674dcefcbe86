"""Pictures of the attribution models: one made-up deal, divided by each of them."""
