"""How every service speaks HTTP: app factory, problems, keys, paging, caching, freshness, health, one client."""
