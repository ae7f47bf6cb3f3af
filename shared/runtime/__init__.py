"""A process of Quintant from start to end: settings, roles, signals, supervision, the api server, the health port."""
