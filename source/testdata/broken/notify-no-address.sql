/*---
source: shop
notify: [team@example.com, "mail:team@example.com", "mailto:Team <team@example.com>", me, https://example.com/hook, {mailto: team@example.com}]
---*/
SELECT id FROM orders ORDER BY id
