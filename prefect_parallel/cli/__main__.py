from prefect_parallel.cli.app import main

main()
