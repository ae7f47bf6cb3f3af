"""What a forecast is, how it is scored and how it is kept: pure, standard library and shared.kernel only."""
