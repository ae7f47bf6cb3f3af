"""What keeps sources complete beside their webhooks: reads, polls, subscriptions, feeds."""
