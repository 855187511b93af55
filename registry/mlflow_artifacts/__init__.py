"""MLflow's artifact proxy: files up and down by path, large ones in parts, through Flueman or straight to the store."""
