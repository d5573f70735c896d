"""dcsim: a discrete-event simulator of AI datacenters."""
