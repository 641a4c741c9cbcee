/*---
source: lite
---*/
SELECT id
FROM oders
ORDER BY id
