"""The acceptance cases of mail, by name: `test_T1_…`, `test_D4_…` and so on, one file a letter."""
