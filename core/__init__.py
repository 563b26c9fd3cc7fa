"""The ticket desk: rules, tables, units of work, loops. No SMTP, no Slack, no HTTP."""
