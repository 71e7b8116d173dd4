"""The independent checker: it shares no code with the certifier, and reads the store itself."""
