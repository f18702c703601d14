"""How shops are read: site files (TOML) that say where things stand, and the page objects."""
