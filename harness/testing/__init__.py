"""For other repositories: a pytest plug-in and Gherkin steps."""
