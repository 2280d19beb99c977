from prefect_parallel.cli import main

main()
