"""The wire protocol, version 1: messages, codes and codec. Pure; shared by server and client."""
