// The form of the dashboard: the types with which Grafana stores one, and no field besides. What
// Grafana would fill in is required, so that a page looks the same in each of its versions.

import type * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import type * as units from "@grafana/grafana-foundation-sdk/units";
import type * as grafana from "@grafana/schema";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// As JSON: a text that an enumeration has is written out.
type Json<T> = T extends string ? `${T}`
  : T extends object ? { [K in keyof T]: Json<T[K]> }
  : T;

type With<T, K extends keyof T> = T & Required<Pick<T, K>>;
type Replace<T, R> = Omit<T, keyof R> & R;

// The source is the one that the reader chooses on the page.
type Source = { type: "prometheus"; uid: "${ds}" };

type Query = Replace<
  Omit<prometheus.Dataquery, "_implementsDataqueryVariant">,
  { refId: string; datasource: Source }
>;

type Unit = (typeof units)[keyof typeof units];

// `Custom`: how the panel draws a field.
type Field<Custom> = Replace<grafana.FieldConfig, { unit: Unit; custom?: Custom }>;

type Override = {
  matcher: grafana.MatcherConfig;
  properties: { id: string; value?: unknown }[];
};

type Panel<Type, Options, Custom> = Replace<
  With<grafana.Panel, "id" | "title" | "gridPos">,
  {
    type: Type;
    datasource: Source;
    targets: Query[];
    options: Options;
    fieldConfig: { defaults: Field<Custom>; overrides: Override[] };
  }
>;

// A panel of another kind is one more line here, with the types of its plugin.
type AnyPanel =
  | Panel<"stat", stat.Options, never>
  | Panel<"timeseries", timeseries.Options, timeseries.FieldConfig>;

// Older Grafana reads the query of an annotation beside its target.
type Annotation = Replace<
  grafana.AnnotationQuery,
  { datasource: Source; target: Query; expr: string }
>;

type Variable = Replace<
  grafana.VariableModel,
  { type: "datasource" } | { type: "query"; datasource: Source }
>;

export type Dashboard = Json<Replace<
  With<grafana.Dashboard, "title" | "uid" | "refresh" | "time" | "tags">,
  {
    // Grafana gives it one.
    id?: never;
    annotations: { list: Annotation[] };
    templating: { list: Variable[] };
    panels: AnyPanel[];
  }
>>;
