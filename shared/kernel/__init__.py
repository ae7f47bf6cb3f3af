"""The law and its vocabulary: journals, money, periods, identity, time and errors. Standard library only."""
