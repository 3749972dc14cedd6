curl -H "Authorization: Bearer cc_live_..." \
"https://<deployment>.convex.site/api/v1/branches"

curl -X DELETE -H "Authorization: Bearer cc_live_..." \
"https://<deployment>.convex.site/api/v1/branches/feature%2Fdark-mode"
