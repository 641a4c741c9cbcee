/*---
source: lite
---*/
SELECT id FROM orders WHERE id = ? OR region = @r OR region = $r ORDER BY id
