curl -H "Authorization: Bearer cc_live_..." \
"https://<deployment>.convex.site/api/v1/analytics/usage?startDate=2024-01-01&endDate=2024-01-31"
