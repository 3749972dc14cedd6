curl -H "Authorization: Bearer cc_live_..." \
"https://<deployment>.convex.site/api/v1/notifications/list?filter=unread"

curl -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/notifications/unread-count

curl -H "Authorization: Bearer cc_live_..." \
"https://<deployment>.convex.site/api/v1/notifications?filter=unread&limit=20"

curl -X PUT -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/notifications/notif_.../read

curl -X PUT -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/notifications/read-all

curl -X DELETE -H "Authorization: Bearer cc_live_..." \
https://<deployment>.convex.site/api/v1/notifications/notif_...
