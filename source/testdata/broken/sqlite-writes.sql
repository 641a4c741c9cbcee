/*---
source: lite
---*/
DELETE FROM orders
