"""Records the world: pages, captures, sightings, links and pictures, politely and without loss."""
