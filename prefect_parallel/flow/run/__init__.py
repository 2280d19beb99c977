"""What the steps of a run share (`run`), the data each reads and writes, and its result.

`computes` says where steps run, `environments` (`unmet_requirements`) on which Python,
`containers` in which image. `step_data` (`major_input`) is what a step reads and writes,
`comparison` how that is compared with earlier runs, `output_places` where its outputs are
published, `data_assets` what they are registered as, `step_result` how it ended, `pipeline_result`
how all of them did, `earlier_results` how some ended when the run was started before. `selection`
chooses the mini-batches of a trial, `step_starts` lets steps start one after another, and
`cancellation` says which are to stop.
"""
