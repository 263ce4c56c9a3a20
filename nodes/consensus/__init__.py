"""Agreeing: counting votes, and protocols that agree although nodes crash or lie; pure, with their simulator."""
