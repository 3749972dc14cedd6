curl -H "Authorization: Bearer cc_live_..." \
"https://<deployment>.convex.site/api/v1/pull-requests"

curl -X POST -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/pull-requests/r_.../merge
