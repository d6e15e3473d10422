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
export type Strategies = Schemas['Strategies'];
export type StrategyCandidate = Schemas['StrategyCandidate'];
export type StrategyLeg = Schemas['StrategyLeg'];
export type StrategyName = Schemas['StrategyName'];
export type PayoffPoint = Schemas['PayoffPoint'];
export type Density = Schemas['Density'];
export type Fill = Schemas['Fill'];
export type Right = Schemas['Right'];
export type Source = Schemas['Source'];
export type Problem = Schemas['Problem'];
