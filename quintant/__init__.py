"""The tool of the person at the keyboard: starts a local stack, imports files, shows numbers.

It knows the services only as processes and over HTTP; it imports none of their code.
"""
