"""How fast jobs run in each pool: rates from models, rooflines and measured tables, handed to the simulator."""
