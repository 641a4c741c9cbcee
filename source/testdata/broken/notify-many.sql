/*---
source: shop
notify: [webhook:a, webhook:b, webhook:c, webhook:d, webhook:e, webhook:f, webhook:g, webhook:h, webhook:i, webhook:j, webhook:k]
---*/
SELECT id FROM orders ORDER BY id
