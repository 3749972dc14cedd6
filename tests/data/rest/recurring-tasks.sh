curl -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/recurring-tasks

curl -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/recurring-tasks/rt_...

curl -X POST -H "Authorization: Bearer cc_live_..." \
-H "Content-Type: application/json" \
-d '{
"title": "Weekly bundle size check",
"description": "Ensure the production bundle stays under 200KB",
"prompt": "Run the build and measure bundle size. If total JS exceeds 200KB, open an issue listing the top 5 contributors by size.",
"frequency": "weekly",
"targetWorkflowId": "wf_...",
"timezone": "UTC",
"scheduledHour": 6,
"scheduledMinute": 0
}' \
https://<deployment>.convex.site/api/v1/recurring-tasks

curl -X PUT -H "Authorization: Bearer cc_live_..." \
-H "Content-Type: application/json" \
-d '{
"frequency": "biweekly",
"scheduledHour": 9,
"timezone": "Europe/London"
}' \
https://<deployment>.convex.site/api/v1/recurring-tasks/rt_...

curl -X PUT -H "Authorization: Bearer cc_live_..." \
-H "Content-Type: application/json" \
-d '{ "isActive": false }' \
https://<deployment>.convex.site/api/v1/recurring-tasks/rt_.../toggle

curl -X PUT -H "Authorization: Bearer cc_live_..." \
-H "Content-Type: application/json" \
-d '{ "isActive": true }' \
https://<deployment>.convex.site/api/v1/recurring-tasks/rt_.../toggle

curl -X DELETE -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/recurring-tasks/rt_...
