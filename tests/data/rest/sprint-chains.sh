curl -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/sprint-chains

curl -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/sprint-chains/sc_...

curl -X POST -H "Authorization: Bearer cc_live_..." \
-H "Content-Type: application/json" \
-d '{
"workflowId": "wf_...",
"sprintRange": [1, 5],
"prompt": "Migrate all REST API handlers to use the new validation layer",
"githubRepoUrl": "https://github.com/org/repo",
"branchName": "feature/validation-migration"
}' \
https://<deployment>.convex.site/api/v1/sprint-chains

curl -X DELETE -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/sprint-chains/sc_...
