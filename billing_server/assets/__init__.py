"""Files of customers: what goes into runs and what comes out of them."""
