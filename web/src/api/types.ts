// SPDX-License-Identifier: Apache-2.0
// Short names for the generated schema; libs/api/include/bifrost/api/types.hpp says what each field means.
import type { components } from './schema';

type Schemas = components['schemas'];

export type Health = Schemas['Health'];
export type UnderlyingItem = Schemas['UnderlyingItem'];
export type Expiration = Schemas['Expiration'];
export type Chain = Schemas['Chain'];
export type ChainRow = Schemas['ChainRow'];
export type ChainSide = Schemas['ChainSide'];
export type ChainTopic = Schemas['ChainTopic'];
export type SnapshotEvent = Schemas['SnapshotEvent'];
export type History = Schemas['History'];
export type HistoryPoint = Schemas['HistoryPoint'];
export type MarketConditions = Schemas['MarketConditions'];
export type Catalogue = Schemas['Catalogue'];
export type CatalogueEntry = Schemas['CatalogueEntry'];
export type CatalogueLeg = Schemas['CatalogueLeg'];
export type Found = Schemas['Found'];
export type SearchedExpiry = Schemas['SearchedExpiry'];
export type StrategyCandidate = Schemas['StrategyCandidate'];
export type StrategyLeg = Schemas['StrategyLeg'];
export type PayoffPoint = Schemas['PayoffPoint'];
export type Densities = Schemas['Densities'];
export type DensityCurve = Schemas['DensityCurve'];
export type DensityKind = Schemas['DensityKind'];
export type DensityLabel = Schemas['DensityLabel'];
export type DensityPoint = Schemas['DensityPoint'];
export type Position = Schemas['Position'];
export type PositionRequest = Schemas['PositionRequest'];
export type ProfitTable = Schemas['ProfitTable'];
export type PositionMargin = Schemas['PositionMargin'];
export type ExitOdds = Schemas['ExitOdds'];
export type Right = Schemas['Right'];
export type Source = Schemas['Source'];
export type Problem = Schemas['Problem'];

/** Where in the spread a leg trades; the API takes any position from 0 (mid) to 1 (natural). */
export type Fill = 'mid' | 'natural';

/** What the finder ranks by; the API takes weighted sums of them as text. */
export type Objective =
  | 'expected_profit'
  | 'expected_profit_on_max_loss'
  | 'expected_profit_on_margin'
  | 'credit'
  | 'return_on_risk'
  | 'return_on_margin'
  | 'pop'
  | 'theta_on_max_loss';
