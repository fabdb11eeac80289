"""The process: settings, plan, rehearsal, evidence, verdict."""
