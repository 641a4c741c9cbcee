/*---
source: shop
retention: 7 days
timeout: soon
max_rows: 1e6
about: none
overflow: cut
snapshot: maybe
tenants: all
---*/
SELECT id FROM orders ORDER BY id
