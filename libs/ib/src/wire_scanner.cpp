// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/wire_scanner.hpp"

#include "codec.hpp"

// Layouts as in layouts.hpp.
namespace bifrost::ib::wire {

template <class Io>
void layout(Io& io, ScannerRequest& m, int) {
  io(m.req_id, m.rows, m.instrument, m.location, m.scan_code, m.above_price, m.below_price,
     m.above_volume, m.market_cap_above, m.market_cap_below, m.moody_above, m.moody_below,
     m.sp_above, m.sp_below, m.maturity_above, m.maturity_below, m.coupon_above, m.coupon_below,
     m.exclude_convertible, m.option_volume_above, m.setting_pairs, m.stock_type, m.filter_options,
     m.options);
}
template <class Io>
void layout(Io& io, CancelScanner& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, ScannerParametersRequest&, int) {
  io.version(1);
}
template <class Io>
void layout(Io& io, ScannerParameters& m, int) {
  io.version(1);
  io(m.xml);
}
template <class Io>
void layout(Io& io, ScannerData& m, int) {
  io.version(3);
  io(m.req_id);
  io.list(m.rows, [&](ScannerRow& row) {
    auto& c = row.contract;
    io(row.rank, c.con_id, c.symbol, c.sec_type, c.last_trade_date);
    io.strike(c.strike);
    io(c.right, c.exchange, c.currency, c.local_symbol, row.market_name, c.trading_class,
       row.distance, row.benchmark, row.projection, row.legs);
  });
}
template <class Io>
void layout(Io& io, RerouteMarketData& m, int) {
  io(m.req_id, m.con_id, m.exchange);
}

BF_MESSAGE(ScannerRequest)
BF_MESSAGE(CancelScanner)
BF_MESSAGE(ScannerParametersRequest)
BF_MESSAGE(ScannerParameters)
BF_MESSAGE(ScannerData)
BF_MESSAGE(RerouteMarketData)

}  // namespace bifrost::ib::wire
