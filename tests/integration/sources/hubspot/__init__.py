"""HubSpot's API over real HTTP, against a fake of it."""
