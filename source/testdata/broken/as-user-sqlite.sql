/*---
source: lite
as_user: {role: clerk}
---*/
SELECT id FROM orders ORDER BY id
