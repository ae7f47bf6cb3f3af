"""The commands of `quintant`, by what they are about."""
