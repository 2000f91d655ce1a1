"""The transport of polls against real sockets, on both event loops that it may run on."""
