"""PostgreSQL: the truth. Pool, migrations, journal, projections, repositories, embedded server."""
