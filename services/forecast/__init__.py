"""forecast: what is to come, how far it can be trusted, and how it turned out.

Owns       schema `forecast`: monthly series and the standing of each deal; schema `forecast_permanent`: every forecast
           ever made, with its vintage.
Consumes   `sales-events`: deals, orders, returns, credit notes and the reference data that they use.
Emits      `forecast-results`: each new vintage.
Serves     GET /v1/forecasts, /v1/forecasts/accuracy, /v1/weighted-pipeline.
Fails how  Too little history: says so and offers no number. A model that does not beat the seasonal naive is not used.
           The model libraries are loaded by the worker alone, at its first forecast.
"""
