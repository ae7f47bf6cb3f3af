"""The KPI catalogue: every business number, declared once."""

from collections.abc import Mapping
from types import MappingProxyType

from services.metrics.domain.kpis import cash, deals, trade
from services.metrics.domain.kpis.declaration import Kpi

CATALOGUE: Mapping[str, Kpi] = MappingProxyType({kpi.slug: kpi for kpi in (*deals.KPIS, *trade.KPIS, *cash.KPIS)})
