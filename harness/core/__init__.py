"""What every layer may use: errors, waiting, verdicts, the audit trail's record."""
