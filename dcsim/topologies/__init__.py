"""Interconnect graphs: one file a topology, with a dataclass of its parameters and `build(params) -> networkx.Graph`.

Hosts and accelerators are endpoints, switches are not; an edge is a cable: so much bandwidth each way, and a latency.
`_routes.compiled` turns a graph into arrays once.
"""
