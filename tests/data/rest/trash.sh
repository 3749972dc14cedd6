curl -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/trash/list

curl -H "Authorization: Bearer cc_live_..." \
"https://<deployment>.convex.site/api/v1/trash?type=run"

curl -X POST -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/trash/run/r_.../restore

curl -X DELETE -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/trash/run/r_...
