"""Tools for those who build Samsyn; run from the root of the checkout."""
