"""What the four services share: the kernel and its law, contracts, storage, messaging, HTTP and the process runtime."""
