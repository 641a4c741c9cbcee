/*---
source: shop
notify: [me, mailto:team@example.com, webhook:crm]
---*/
SELECT id FROM orders ORDER BY id
