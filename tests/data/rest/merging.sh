curl -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/merging/list

curl -X POST -H "Authorization: Bearer cc_live_..." \
-H "Content-Type: application/json" \
-d '{
"pullRequests": [
{"prUrl": "https://github.com/org/repo/pull/1", "prNumber": 1},
{"prUrl": "https://github.com/org/repo/pull/2", "prNumber": 2}
],
"baseBranch": "main",
"config": {}
}' \
https://<deployment>.convex.site/api/v1/merging/start
