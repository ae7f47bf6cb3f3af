"""Fxiaoke 纷享销客: encrypted notices that name an object, which is then read from its API."""
